"""Datasets of curved and slanted scene text: Total-Text, SCUT-CTW1500 and MSRA-TD500."""
