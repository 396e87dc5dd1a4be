"""Which bytes a case runs on: resolve, fetch, verify. Imports no Whisper library."""
