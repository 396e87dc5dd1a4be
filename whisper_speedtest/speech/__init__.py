"""Clips: their files, their samples, and how a transcript of one is scored."""
