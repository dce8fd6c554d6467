"""LinkedIn through the Unipile service (v1): a person is looked up, then invited."""
