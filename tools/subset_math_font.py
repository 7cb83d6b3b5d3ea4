"""Make the small maths font that the book's MathML is set in.

    pip install brotli fonttools
    npm pack @fontsource/stix-two-math@5.3.0 && tar xzf fontsource-stix-two-math-5.3.0.tgz
    python tools/subset_math_font.py package/files/stix-two-math-latin-400-normal.woff2

STIX Two Math is under the SIL Open Font Licence 1.1; its text goes beside the font (LICENSE in
the same npm package).
"""

import sys
from pathlib import Path

from fontTools import subset

TARGET = Path(__file__).parent.parent / "book/_static/fonts/stix-two-math-subset.woff2"
RANGES = [
    (0x20, 0x7E),  # Latin letters, digits
    (0xA0, 0xB7),
    (0xD7, 0xD7),
    (0x391, 0x3F6),  # Greek
    (0x2010, 0x2044),  # dashes, dots, primes, fraction slash
    (0x20D0, 0x20DC),
    (0x2061, 0x2064),  # invisible operators
    (0x210E, 0x210E),  # italic h
    (0x211D, 0x211D),
    (0x2190, 0x2194),
    (0x21A6, 0x21A6),
    (0x2200, 0x22EF),  # operators
    (0x27E8, 0x27E9),
    (0x2308, 0x230B),
    (0x1D434, 0x1D467),  # italic letters
    (0x1D49C, 0x1D4B5),  # script capitals
    (0x1D400, 0x1D433),  # bold letters
    (0x1D538, 0x1D550),  # blackboard capitals
    (0x1D6A8, 0x1D71B),  # bold and italic Greek
    (0x2C6, 0x2DC),  # accents
    (0x302, 0x332),
]


def main(source: str) -> None:
    """Write the subset: the characters of RANGES, with the tables that stretch and place them."""
    codes = [code for first, last in RANGES for code in range(first, last + 1)]
    options = ["--flavor=woff2", "--layout-features=*", f"--output-file={TARGET}"]
    subset.main([source, *options, "--unicodes=" + ",".join(f"U+{code:04X}" for code in codes)])


if __name__ == "__main__":
    main(*sys.argv[1:])
