/* poppack.h - alignment of members as before the last pshpack1.h, 2, 4 or 8. Every inclusion counts. */
#pragma pack(pop)
