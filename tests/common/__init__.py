"""Tests of whisper_speedtest/common/."""
