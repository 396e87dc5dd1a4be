"""What is shown of a session while it runs: progress, in lines that suit the terminal."""
