"""OpenCV without its own log on the terminal; import `cv2` from here wherever images are decoded.

It would print warnings about files, in its own words, in the middle of ours. Whatever is wrong with a file is
reported by the functions that read it.
"""

from __future__ import annotations

import cv2 as cv2

if hasattr(cv2.utils, "logging"):
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
else:  # before OpenCV 5
    getattr(cv2, "setLogLevel")(0)  # noqa: B009 - the stubs of OpenCV 5 do not have it
