-- What a yes to a whole campaign covered beside its content, and why it is void.

-- approved_as: who this queue sent as when its campaign was approved, as JSON; the gate compares it with who it is now.
ALTER TABLE lanes ADD COLUMN approved_as TEXT NOT NULL DEFAULT '';
-- approval_note: what took the last yes back, where nobody changed the campaign itself.
ALTER TABLE campaigns ADD COLUMN approval_note TEXT NOT NULL DEFAULT '';
