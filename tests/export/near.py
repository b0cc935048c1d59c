"""near.py A.npy B.npy SHARE: whether they differ by at most that share of the largest number."""
import sys

import numpy

a, b = (numpy.load(path) for path in sys.argv[1:3])
error = numpy.abs(a.reshape(b.shape) - b).max() / numpy.abs(b).max()
print(f"{error:.2g}")
sys.exit(not error <= float(sys.argv[3]))
