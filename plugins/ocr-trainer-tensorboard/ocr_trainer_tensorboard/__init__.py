"""TensorBoard for ocr-trainer."""
