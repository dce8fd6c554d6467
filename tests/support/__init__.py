"""Scripted servers and other help for tests."""
