"""The entry of the child process, which is started by this file's path; see worker.py."""

import sys
from pathlib import Path

# The checkout goes to the end of the path, so that a library that imports a module called `tests`
# or `fixtures` gets the one that is installed with it, and never the project's.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from whisper_speedtest.engine.worker import main

main()
