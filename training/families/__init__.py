"""Student families, from about half a million to 22 million parameters.

family = choose(latency_ms=3.0)                                   a name, by parameters or by latency here
tokenizer = student_tokenizer(family, base, texts, directory)     its word pieces: the base's, or those seen
network = build_student(family, base, fields, seed=0, tokenizer=tokenizer, texts=texts)
"""

from training.families.building import build_student
from training.families.catalogue import FAMILIES, Family, base_shape, find_family
from training.families.choosing import choose
from training.families.vocabulary import student_tokenizer

__all__ = ["FAMILIES", "Family", "base_shape", "build_student", "choose", "find_family", "student_tokenizer"]
