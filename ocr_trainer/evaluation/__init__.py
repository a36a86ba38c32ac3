"""Heavy (torch, lightning). Using a trained model: test, predict, end-to-end scores, benchmarks."""
