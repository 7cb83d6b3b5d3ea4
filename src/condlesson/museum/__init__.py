"""The museum of silent bugs: their code, what each does, and what is shown of it.

To add a bug:

1. In `broken`, write the broken code, small and whole, with one wrong line. The right line stands
   above it, behind ``# CURE:``, and ``# END CURE`` below.
2. In `symptoms`, measure what it does, in a second and seeded. If no check can find it, write the
   test that does.
3. Enter it in `mistakes`, with the thread or the paper where it lived and a question, and show it
   in `book/museum.md`; or link there to the exercise that has the same bug.
4. Say in `tests/museum/test_mistakes.py` what the measurement must show. The other tests there find
   the bug by themselves.
"""
