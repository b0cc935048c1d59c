"""What OpenCV makes of a file: opencv.py FILE.onnx INPUT.npy OUTPUT.npy"""
import sys

import cv2
import numpy

net = cv2.dnn.readNetFromONNX(sys.argv[1])
images = numpy.load(sys.argv[2])
outputs = []
for image in images:
    net.setInput(image[None])
    outputs.append(net.forward())
numpy.save(sys.argv[3], numpy.concatenate(outputs))
