/* pshpack4.h - members of the structures that follow are aligned to 4 at most, until poppack.h. Every inclusion counts. */
#pragma pack(push, 4)
