"""An HTTP service that reads images and PDFs with exported models: `ocr-serve DETECTOR RECOGNIZER`."""
