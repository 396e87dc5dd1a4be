"""What a model's files must be, which of them this machine has, and what is lacking.

It makes no request, and imports no Whisper library.
"""
