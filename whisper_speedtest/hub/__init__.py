"""Gets what is lacking: resolves, fetches and verifies a model. Imports no Whisper library."""
