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
    (0xAC, 0xAC),
    (0xAF, 0xB1),
    (0xB7, 0xB7),
    (0xD7, 0xD7),
    (0x2C6, 0x2C7),  # accents
    (0x2DC, 0x2DC),
    (0x302, 0x305),
    (0x391, 0x3C9),  # Greek
    (0x3D1, 0x3D1),
    (0x3D5, 0x3D5),
    (0x3F5, 0x3F5),
    (0x2010, 0x2014),  # dashes, dots, primes
    (0x2026, 0x2026),
    (0x2032, 0x2033),
    (0x20D7, 0x20D7),
    (0x2061, 0x2064),  # invisible operators
    (0x210E, 0x210E),  # italic h
    (0x2115, 0x2115),  # blackboard capitals of the usual sets
    (0x211D, 0x211D),
    (0x2124, 0x2124),
    (0x2190, 0x2194),  # arrows
    (0x21A6, 0x21A6),
    (0x21D2, 0x21D2),
    (0x27F6, 0x27F6),
    (0x2200, 0x2209),  # operators
    (0x220F, 0x2213),
    (0x2217, 0x221E),
    (0x2223, 0x222C),
    (0x223C, 0x223D),
    (0x2245, 0x2248),
    (0x2260, 0x226B),
    (0x2282, 0x2287),
    (0x2295, 0x2299),
    (0x22A4, 0x22A5),
    (0x22C5, 0x22C5),
    (0x22EE, 0x22EF),
    (0x2308, 0x230B),
    (0x27E8, 0x27E9),
    (0x1D400, 0x1D433),  # bold letters
    (0x1D434, 0x1D467),  # italic letters
    (0x1D49C, 0x1D4B5),  # script capitals
    (0x1D538, 0x1D550),  # blackboard capitals
    (0x1D6FC, 0x1D71B),  # italic Greek
]
# Of OpenType only what a browser's layout of mathematics asks for: letters for scripts, dotless
# letters under accents, flat accents, what is mirrored. Hints are for screens of another time.
FEATURES = "ssty,dtls,flac,rtlm"


def main(source: str) -> None:
    """Write the subset: the characters of RANGES, with the tables that stretch and place them."""
    codes = [code for first, last in RANGES for code in range(first, last + 1)]
    options = ["--flavor=woff2", "--no-hinting", f"--layout-features={FEATURES}"]
    options += [f"--output-file={TARGET}", "--unicodes=" + ",".join(f"{c:04X}" for c in codes)]
    subset.main([source, *options])


if __name__ == "__main__":
    main(*sys.argv[1:])
