// cplusplus.cpp: a driver in C++: abstract classes, its own operators new and delete, forced inline
// functions.
#include "check.h"

void *operator new(size_t bytes, POOL_TYPE type)
{
    return ExAllocatePoolWithTag(type, bytes, 'ppcU');
}

void operator delete(void *memory)
{
    if (memory)
        ExFreePoolWithTag(memory, 'ppcU');
}

void operator delete(void *memory, size_t)
{
    operator delete(memory);
}

class Shape
{
  public:
    Shape()
    {
        Announce();
    }
    virtual ~Shape()
    {
    }
    virtual LONG Corners() const = 0;
    void Announce()
    {
        born++;
    }
    static LONG born;
};
LONG Shape::born;

class Square : public Shape
{
  public:
    LONG Corners() const override
    {
        return 4;
    }
};

FORCEINLINE LONG Depth(LONG x)
{
    return x ? 1 + Depth(x - 1) : 0;
}

class Counter
{
  public:
    FORCEINLINE LONG Sum(LONG count, ...)
    {
        LONG sum = 0;
        va_list values;
        va_start(values, count);
        while (count-- > 0)
            sum += va_arg(values, LONG);
        va_end(values);
        return sum;
    }
};

#ifdef PURE_CALL
class Early
{
  public:
    Early()
    {
        Through();
    }
    void Through()
    {
        Run();
    }
    virtual void Run() = 0;
};

class Late : public Early
{
  public:
    void Run() override
    {
    }
};
#endif

#ifdef OWN_PURE_CALL
extern "C" int _purecall()
{
    DbgPrint("the driver's own\n");
    return 0;
}
#endif

static VOID unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

extern "C" NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    UNREFERENCED_PARAMETER(registry_path);
    driver->DriverUnload = unload;
    Shape *shape = new (NonPagedPoolNx) Square;
    CHECK(shape && shape->Corners() == 4 && Shape::born == 1);
    delete shape;
    CHECK(Depth(3) == 3 && Counter().Sum(2, 20, 22) == 42);
    BOOLEAN caught = FALSE;
#ifdef PURE_CALL
    __try {
        Late late;
    } __except (GetExceptionCode() == STATUS_NOT_IMPLEMENTED) {
        caught = TRUE;
    }
    CHECK(caught);
#else
    CHECK(!caught);
#endif
    return CHECK_RESULT();
}
