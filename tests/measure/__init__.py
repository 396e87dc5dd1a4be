"""Tests of whisper_speedtest/measure/."""
