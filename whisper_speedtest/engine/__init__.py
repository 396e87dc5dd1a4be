"""Engines: one child process a model, sealed to the model's verified files."""
