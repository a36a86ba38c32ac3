"""Heavy (torch, lightning). Use of trained models: test, predict, end-to-end scores, benchmarks."""
