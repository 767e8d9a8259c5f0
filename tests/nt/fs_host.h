/* fs_host.h - what a test of files does on the host's side (fs_host.c). */
#ifndef FS_HOST_H
#define FS_HOST_H

/* A fresh folder that is the root of all files; removed with all that is in it. */
void disk_make(void);
void disk_remove(void);
/* Paths of the host, below the folder. */
void disk_folder(const char *path);
void disk_file(const char *path, const char *text);
void disk_link(const char *path, const char *target);
void disk_pipe(const char *path);
void disk_rename(const char *from, const char *to);
/* 1 when the file is there and has this text; text NULL: when anything is there. */
int disk_has(const char *path, const char *text);
/* From now on the host does not cut files, change who may write to them, or give pages of memory. */
void disk_refuse_resize(int refuse);
void disk_refuse_mode(int refuse);
void disk_refuse_memory(int refuse);
/* Nobody may make anything in this folder, whoever runs the test; until disk_remove. */
void disk_lock(const char *path);
/* A folder beside the root, with a file "secret". */
const char *disk_outside(void);

#endif
