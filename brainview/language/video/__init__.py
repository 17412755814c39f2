"""Film clips to text across people: fMRI tokens into the prompt of a language model (Zheng & Sun 2024, 2409.18987)."""
