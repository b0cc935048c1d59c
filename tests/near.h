/* A comparison of doubles for tests that says what it saw. */
#ifndef CNN_TESTS_NEAR_H
#define CNN_TESTS_NEAR_H

/* Fails the test unless got is within tolerance of want. */
void assert_near(double got, double want, double tolerance);

#endif
