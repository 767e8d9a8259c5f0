/*
 * float.h - limits of the floating types.
 *
 * LDBL_* are those of double, as wide as long double on Windows (T-03). The compiler's own `long double` is wider
 * here; do not use it in a driver.
 */
#ifndef UWSK_INCLUDE_FLOAT_H
#define UWSK_INCLUDE_FLOAT_H

#define FLT_RADIX       2
#define FLT_EVAL_METHOD 0
#define FLT_ROUNDS      1 /* to the nearest */
#define DECIMAL_DIG     17

#define FLT_MANT_DIG    24
#define FLT_DIG         6
#define FLT_DECIMAL_DIG 9
#define FLT_MIN_EXP     (-125)
#define FLT_MIN_10_EXP  (-37)
#define FLT_MAX_EXP     128
#define FLT_MAX_10_EXP  38
#define FLT_HAS_SUBNORM 1
#define FLT_EPSILON     0x1p-23F
#define FLT_MIN         0x1p-126F
#define FLT_MAX         0x1.fffffep127F
#define FLT_TRUE_MIN    0x1p-149F

#define DBL_MANT_DIG    53
#define DBL_DIG         15
#define DBL_DECIMAL_DIG 17
#define DBL_MIN_EXP     (-1021)
#define DBL_MIN_10_EXP  (-307)
#define DBL_MAX_EXP     1024
#define DBL_MAX_10_EXP  308
#define DBL_HAS_SUBNORM 1
#define DBL_EPSILON     0x1p-52
#define DBL_MIN         0x1p-1022
#define DBL_MAX         0x1.fffffffffffffp1023
#define DBL_TRUE_MIN    0x1p-1074

#define LDBL_MANT_DIG    DBL_MANT_DIG
#define LDBL_DIG         DBL_DIG
#define LDBL_DECIMAL_DIG DBL_DECIMAL_DIG
#define LDBL_MIN_EXP     DBL_MIN_EXP
#define LDBL_MIN_10_EXP  DBL_MIN_10_EXP
#define LDBL_MAX_EXP     DBL_MAX_EXP
#define LDBL_MAX_10_EXP  DBL_MAX_10_EXP
#define LDBL_HAS_SUBNORM DBL_HAS_SUBNORM
#define LDBL_EPSILON     DBL_EPSILON
#define LDBL_MIN         DBL_MIN
#define LDBL_MAX         DBL_MAX
#define LDBL_TRUE_MIN    DBL_TRUE_MIN

#endif
