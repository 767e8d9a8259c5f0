// seh_cpp.cpp: structured exceptions in C++: methods, constructors, lambdas, templates.
#include "seh_cases.h"

namespace cases
{

class Counter
{
  public:
    Counter() : value_(0), again_{1}
    {
        __try {
            raise_deep(2, STATUS_CANCELLED);
        } __except (EXCEPTION_EXECUTE_HANDLER) {
            value_ = 10;
        }
    }
    int Add(int n) const
    {
        __try {
            if (n < 0)
                return value_;
            return value_ + n;
        } __finally {
            again_++;
        }
    }
    int Outside(int n);
    operator int() const
    {
        int result = 0;
        __try {
            result = again_;
        } __finally {
            result += 100;
        }
        return result;
    }
    mutable int value_, again_;
};

inline int Counter::Outside(int n)
{
    __try {
        return Add(n) * 2;
    } __finally {
        value_ = 1;
    }
}

template <typename T> T guarded(T value, T fallback)
{
    __try {
        if (value == fallback)
            raise_deep(1, STATUS_CANCELLED);
        return value;
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        return fallback + 1;
    }
    return fallback;
}

static auto trailing(int n) -> long long
{
    __try {
        return n;
    } __finally {
        n = 0;
    }
}

} // namespace cases

static const char raw[] = R"x(__try { " )" } __finally)x";

static void lambdas()
{
    int seen = 0;
    auto raises = [&](int n) {
        __try {
            if (n > 1)
                raise_deep(n, STATUS_CANCELLED);
            seen = 1;
        } __except (EXCEPTION_EXECUTE_HANDLER) {
            seen = 2;
        }
        return seen;
    };
    auto returns = [&]() -> int {
        __try {
            return seen;
        } __finally {
            seen = 9;
        }
    };
    CHECK(raises(1) == 1);
    CHECK(raises(2) == 2);
    CHECK(returns() == 2);
    CHECK(seen == 9);
}

struct local_driver {
    PDRIVER_OBJECT driver;
};

extern "C" NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING)
{
    local_driver d{driver};
    d.driver->DriverUnload = unload;
    all_cases();
    cases::Counter counter;
    CHECK(counter.value_ == 10 && counter.again_ == 1);
    CHECK(counter.Add(5) == 15);
    CHECK(counter.Add(-1) == 10);
    CHECK(counter.Outside(5) == 30);
    CHECK(counter.value_ == 1);
    CHECK(static_cast<int>(counter) == 104);
    CHECK(cases::guarded(1, 2) == 1);
    CHECK(cases::guarded(2, 2) == 3);
    CHECK(cases::trailing(7) == 7);
    CHECK(raw[0] == '_' && sizeof(raw) == 25);
    lambdas();
    return CHECK_RESULT();
}
