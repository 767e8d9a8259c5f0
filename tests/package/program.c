/* A program that links the runtime by pkg-config. */
#include <uwsk/point.h>

int main(void)
{
    uwsk_point(1, &uwsk_points_enabled);
    return uwsk_points_enabled;
}
