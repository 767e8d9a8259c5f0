/* pshpack1.h - members of the structures that follow are aligned to 1 at most, until poppack.h. Every inclusion counts. */
#pragma pack(push, 1)
