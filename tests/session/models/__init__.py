"""Tests of whisper_speedtest/session/models/."""
