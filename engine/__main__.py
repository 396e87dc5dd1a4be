"""The entry of the child process; see engine/worker.py."""

from engine.worker import main

main()
