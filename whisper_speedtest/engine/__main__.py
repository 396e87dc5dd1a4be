"""The entry of the child process, which is started by this file's path; see worker.py."""

import sys
from pathlib import Path

# At the end of the path, so that a library that imports a module called `adapters` or `fixtures`
# gets the one that is installed with it, and never ours.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from whisper_speedtest.engine.worker import main

main()
