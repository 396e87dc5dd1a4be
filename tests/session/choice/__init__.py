"""Tests of whisper_speedtest/session/choice/."""
