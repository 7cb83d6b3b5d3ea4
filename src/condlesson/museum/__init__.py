"""The museum of silent bugs: their code, what each does, and what is shown of it."""
