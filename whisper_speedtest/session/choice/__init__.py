"""What a session runs: the options, and the tests that they select."""
