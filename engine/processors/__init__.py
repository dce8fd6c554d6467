"""Processors: the code that runs one kind of background job, one module a kind; and what they are written against."""
