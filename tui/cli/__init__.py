"""The command line: one module a noun, imported when it is used. Nothing here imports Textual."""
