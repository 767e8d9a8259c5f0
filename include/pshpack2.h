/* pshpack2.h - members of the structures that follow are aligned to 2 at most, until poppack.h. Every inclusion counts. */
#pragma pack(push, 2)
