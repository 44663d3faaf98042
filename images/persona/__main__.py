"""What the image runs: the directory that holds this file, with `persona` and `relay` in it."""

import sys

from persona.main import main

sys.exit(main())
