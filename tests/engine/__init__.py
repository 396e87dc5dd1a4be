"""Tests of whisper_speedtest/engine/."""
