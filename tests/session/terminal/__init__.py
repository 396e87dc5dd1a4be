"""Tests of whisper_speedtest/session/terminal/."""
