"""Tests of whisper_speedtest/hub/."""
