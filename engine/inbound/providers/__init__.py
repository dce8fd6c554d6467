"""What each provider's webhook says, one module a provider: `knows` recognises a payload, `read` gives its events."""
