"""A model as one GGUF file, which llama.cpp and the programs built on it read: written, and read back."""
