"""Reading what comes back: bounces, complaints, replies. Pure parsing, and the places that mail is read from."""
