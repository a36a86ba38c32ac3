"""`python -m ocr_trainer` is `ocr-train`."""

import sys

from ocr_trainer.cli.main import main

sys.exit(main())
