"""Tests of whisper_speedtest/speech/."""
