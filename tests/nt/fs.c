/*
 * fs.c - files by handle: names, dispositions, sharing, offsets, information, folders, deletion.
 */
#include <ntifs.h>

#include "bugcheck.h"
#include "fs_host.h"
#include "ke_test.h"
#include "nt/fs/fs.h"
#include "uwsk_test.h"

TEST_FIXTURE(disk_make, disk_remove);

enum {
    READ = FILE_GENERIC_READ,
    WRITE = FILE_GENERIC_WRITE,
    BOTH = FILE_GENERIC_READ | FILE_GENERIC_WRITE,
    SHARE_ALL = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
    SYNC = FILE_SYNCHRONOUS_IO_NONALERT
};

static IO_STATUS_BLOCK io;

static NTSTATUS create_at(HANDLE root, PCWSTR path, ACCESS_MASK access, ULONG share, ULONG disposition,
                          ULONG options, HANDLE *handle)
{
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes;

    RtlInitUnicodeString(&name, path);
    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, root, NULL);
    *handle = NULL;
    memset(&io, 0xee, sizeof io);
    return ZwCreateFile(handle, access, &attributes, &io, NULL, FILE_ATTRIBUTE_NORMAL, share, disposition,
                        options, NULL, 0);
}

static NTSTATUS create(PCWSTR path, ACCESS_MASK access, ULONG disposition, ULONG options, HANDLE *handle)
{
    return create_at(NULL, path, access, SHARE_ALL, disposition, options, handle);
}

static HANDLE opened(PCWSTR path, ACCESS_MASK access, ULONG disposition, ULONG options)
{
    HANDLE handle;

    EXPECT_STATUS(create(path, access, disposition, options, &handle), STATUS_SUCCESS);
    EXPECT_STATUS(io.Status, STATUS_SUCCESS);
    return handle;
}

static NTSTATUS tried(PCWSTR path, ACCESS_MASK access, ULONG disposition, ULONG options)
{
    HANDLE handle;
    NTSTATUS status = create(path, access, disposition, options, &handle);

    if (NT_SUCCESS(status))
        EXPECT_STATUS(ZwClose(handle), STATUS_SUCCESS);
    return status;
}

static NTSTATUS write_text(HANDLE file, const char *text, LARGE_INTEGER *at)
{
    return ZwWriteFile(file, NULL, NULL, NULL, &io, (PVOID)text, (ULONG)strlen(text), at, NULL);
}

/* What is there, as text. */
static const char *read_text(HANDLE file, ULONG most, LARGE_INTEGER *at)
{
    static char text[256];
    NTSTATUS status = ZwReadFile(file, NULL, NULL, NULL, &io, text, most, at, NULL);

    EXPECT_STATUS(io.Status, status);
    if (status == STATUS_END_OF_FILE)
        return "(end)";
    EXPECT_STATUS(status, STATUS_SUCCESS);
    text[io.Information] = 0;
    return text;
}

static LONGLONG position_of(HANDLE file)
{
    FILE_POSITION_INFORMATION position;

    EXPECT_STATUS(ZwQueryInformationFile(file, &io, &position, sizeof position, FilePositionInformation),
                  STATUS_SUCCESS);
    EXPECT_EQ(io.Information, sizeof position);
    return position.CurrentByteOffset.QuadPart;
}

static LONGLONG size_of(HANDLE file)
{
    FILE_STANDARD_INFORMATION standard;

    EXPECT_STATUS(ZwQueryInformationFile(file, &io, &standard, sizeof standard, FileStandardInformation),
                  STATUS_SUCCESS);
    return standard.EndOfFile.QuadPart;
}

/* ---- names ---------------------------------------------------------------------------------------------- */

TEST(fs_volumes_have_several_names, "")
{
    static const PCWSTR names[] = {L"\\??\\C:\\Windows\\log.txt",
                                   L"\\DosDevices\\c:\\windows\\LOG.TXT",
                                   L"\\SystemRoot\\log.txt",
                                   L"\\systemroot\\Log.Txt",
                                   L"\\GLOBAL??\\C:\\WINDOWS\\log.txt",
                                   L"\\Device\\HarddiskVolume1\\Windows\\log.txt"};
    HANDLE file;

    disk_folder("Windows");
    disk_file("Windows/log.txt", "here");
    for (unsigned i = 0; i < ARRAYSIZE(names); i++) {
        file = opened(names[i], READ, FILE_OPEN, SYNC);
        EXPECT_EQ(io.Information, FILE_OPENED);
        EXPECT_STR(read_text(file, 100, NULL), "here");
        EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
    }
    EXPECT_STATUS(tried(L"\\??\\D:\\x", READ, FILE_OPEN, SYNC), STATUS_OBJECT_PATH_NOT_FOUND);
    EXPECT_STATUS(tried(L"\\??\\C:x", READ, FILE_OPEN, SYNC), STATUS_OBJECT_PATH_NOT_FOUND);
    EXPECT_STATUS(tried(L"\\SystemRoots\\x", READ, FILE_OPEN, SYNC), STATUS_OBJECT_PATH_NOT_FOUND);
    EXPECT_STATUS(tried(L"\\??\\C:", READ, FILE_OPEN, SYNC), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(tried(L"C:\\x", READ, FILE_OPEN, SYNC), STATUS_OBJECT_PATH_SYNTAX_BAD);
    EXPECT_STATUS(tried(L"", READ, FILE_OPEN, SYNC), STATUS_OBJECT_PATH_SYNTAX_BAD);
}

TEST(fs_names_are_checked, "")
{
    static const PCWSTR bad[] = {L"\\??\\C:\\a*b",      L"\\??\\C:\\a?",     L"\\??\\C:\\a:stream",
                                 L"\\??\\C:\\a/b",      L"\\??\\C:\\a|b",    L"\\??\\C:\\\\a",
                                 L"\\??\\C:\\.",        L"\\??\\C:\\..",     L"\\??\\C:\\..\\outside\\secret",
                                 L"\\??\\C:\\d\\..\\x", L"\\??\\C:\\a\x01b", L"\\??\\C:\\a\xD800"};
    WCHAR longest[300] = L"\\??\\C:\\";

    disk_folder("d");
    disk_file("x", "x");
    for (unsigned i = 0; i < ARRAYSIZE(bad); i++) {
        TEST_NOTE("name %u", i);
        EXPECT_STATUS(tried(bad[i], READ, FILE_OPEN, SYNC), STATUS_OBJECT_NAME_INVALID);
        EXPECT_STATUS(tried(bad[i], WRITE, FILE_OPEN_IF, SYNC), STATUS_OBJECT_NAME_INVALID);
    }
    for (unsigned i = 7; i < 7 + 255; i++)
        longest[i] = 'n';
    EXPECT_STATUS(tried(longest, WRITE, FILE_CREATE, SYNC), STATUS_SUCCESS);
    longest[7 + 255] = 'n';
    EXPECT_STATUS(tried(longest, WRITE, FILE_CREATE, SYNC), STATUS_OBJECT_NAME_INVALID);
    EXPECT_STATUS(tried(L"\\??\\C:\\none\\x", READ, FILE_OPEN, SYNC), STATUS_OBJECT_PATH_NOT_FOUND);
    EXPECT_STATUS(tried(L"\\??\\C:\\x\\y", READ, FILE_OPEN, SYNC), STATUS_OBJECT_PATH_NOT_FOUND);
    EXPECT_STATUS(tried(L"\\??\\C:\\none", READ, FILE_OPEN, SYNC), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_EQ(io.Information, FILE_DOES_NOT_EXIST);
    EXPECT_STATUS(tried(L"\\??\\C:\\x\\", READ, FILE_OPEN, SYNC), STATUS_OBJECT_NAME_INVALID);
    EXPECT_STATUS(tried(L"\\??\\C:\\d\\", READ, FILE_OPEN, SYNC), STATUS_SUCCESS);
    EXPECT_STATUS(tried(L"\\??\\C:\\new\\", WRITE, FILE_CREATE, SYNC), STATUS_OBJECT_NAME_INVALID);
}

/* The spelling of the host is kept; an exact name goes before one that differs in case; letters beyond ASCII. */
TEST(fs_case_does_not_matter, "")
{
    HANDLE file;

    disk_folder("MiXed");
    disk_file("MiXed/a.txt", "small");
    disk_file("MiXed/A.TXT", "large");
    disk_file("MiXed/\xC3\x84rger", "umlaut");
    file = opened(L"\\??\\C:\\mixed\\a.txt", READ, FILE_OPEN, SYNC);
    EXPECT_STR(read_text(file, 100, NULL), "small");
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
    file = opened(L"\\??\\C:\\MIXED\\A.TXT", READ, FILE_OPEN, SYNC);
    EXPECT_STR(read_text(file, 100, NULL), "large");
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
    file = opened(L"\\??\\C:\\mixed\\\x00E4RGER", READ, FILE_OPEN, SYNC);
    EXPECT_STR(read_text(file, 100, NULL), "umlaut");
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
    EXPECT_STATUS(tried(L"\\??\\C:\\MIXED\\New.Txt", WRITE, FILE_CREATE, SYNC), STATUS_SUCCESS);
    EXPECT(disk_has("MiXed/New.Txt", ""));
    EXPECT_STATUS(tried(L"\\??\\C:\\mixed\\NEW.TXT", WRITE, FILE_CREATE, SYNC), STATUS_OBJECT_NAME_COLLISION);
}

TEST(fs_no_link_leads_out, "")
{
    char absolute[128];
    HANDLE file;
    size_t length = strlen(disk_outside());

    memcpy(absolute, disk_outside(), length + 1);
    disk_link("out", "../outside");
    disk_link("out_absolute", absolute);
    disk_link("out_file", "../outside/secret");
    disk_link("dangling", "../outside/new");
    disk_folder("in");
    disk_file("in/x", "inside");
    disk_link("way", "in");
    disk_link("same", "in/../in/x");
    EXPECT_STATUS(tried(L"\\??\\C:\\out\\secret", READ, FILE_OPEN, SYNC), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(tried(L"\\??\\C:\\out_absolute\\secret", READ, FILE_OPEN, SYNC), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(tried(L"\\??\\C:\\out_file", READ, FILE_OPEN, SYNC), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(tried(L"\\??\\C:\\out_file", WRITE, FILE_OVERWRITE_IF, SYNC), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(tried(L"\\??\\C:\\out\\new", WRITE, FILE_CREATE, SYNC), STATUS_ACCESS_DENIED);
    EXPECT(!NT_SUCCESS(tried(L"\\??\\C:\\dangling", WRITE, FILE_OPEN_IF, SYNC)));
    EXPECT(disk_has("../outside/secret", "secret"));
    EXPECT(!disk_has("../outside/new", NULL));
    file = opened(L"\\??\\C:\\WAY\\X", READ, FILE_OPEN, SYNC);
    EXPECT_STR(read_text(file, 100, NULL), "inside");
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
    EXPECT_STATUS(tried(L"\\??\\C:\\same", READ, FILE_OPEN, SYNC), STATUS_SUCCESS);
}

TEST(fs_pipes_are_not_opened, "")
{
    disk_pipe("pipe");
    EXPECT_STATUS(tried(L"\\??\\C:\\pipe", READ, FILE_OPEN, SYNC), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(tried(L"\\??\\C:\\pipe", WRITE, FILE_OVERWRITE_IF, SYNC), STATUS_ACCESS_DENIED);
}

TEST(fs_names_relative_to_a_folder, "")
{
    HANDLE folder, file, again;

    disk_folder("d");
    disk_folder("d/e");
    disk_file("d/e/x", "deep");
    folder = opened(L"\\??\\C:\\D", FILE_LIST_DIRECTORY | SYNCHRONIZE, FILE_OPEN, FILE_DIRECTORY_FILE | SYNC);
    EXPECT_STATUS(create_at(folder, L"E\\X", READ, SHARE_ALL, FILE_OPEN, SYNC, &file), STATUS_SUCCESS);
    EXPECT_STR(read_text(file, 100, NULL), "deep");
    EXPECT_STATUS(create_at(folder, L"", READ, SHARE_ALL, FILE_OPEN, SYNC, &again), STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(again), STATUS_SUCCESS);
    EXPECT_STATUS(create_at(folder, L"\\e\\x", READ, SHARE_ALL, FILE_OPEN, SYNC, &again),
                  STATUS_OBJECT_NAME_INVALID);
    EXPECT_STATUS(create_at(folder, L"..\\x", READ, SHARE_ALL, FILE_OPEN, SYNC, &again),
                  STATUS_OBJECT_NAME_INVALID);
    EXPECT_STATUS(create_at(file, L"x", READ, SHARE_ALL, FILE_OPEN, SYNC, &again),
                  STATUS_OBJECT_PATH_NOT_FOUND);
    EXPECT_STATUS(create_at(NtCurrentThread(), L"x", READ, SHARE_ALL, FILE_OPEN, SYNC, &again),
                  STATUS_OBJECT_TYPE_MISMATCH);
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(folder), STATUS_SUCCESS);
}

TEST(fs_without_a_root_there_is_no_file, "")
{
    HANDLE file;

    fs_set_root(-1);
    EXPECT_STATUS(create(L"\\SystemRoot\\x", WRITE, FILE_OPEN_IF, SYNC, &file), STATUS_OBJECT_PATH_NOT_FOUND);
    EXPECT_STATUS(io.Status, STATUS_OBJECT_PATH_NOT_FOUND);
    EXPECT(file == NULL);
}

/* ---- dispositions and options --------------------------------------------------------------------------- */

TEST(fs_dispositions, "")
{
    static const struct {
        ULONG disposition;
        NTSTATUS absent;
        ULONG absent_did;
        NTSTATUS present;
        ULONG present_did;
        int emptied;
    } rows[] = {
        {FILE_SUPERSEDE, STATUS_SUCCESS, FILE_CREATED, STATUS_SUCCESS, FILE_SUPERSEDED, 1},
        {FILE_OPEN, STATUS_OBJECT_NAME_NOT_FOUND, FILE_DOES_NOT_EXIST, STATUS_SUCCESS, FILE_OPENED, 0},
        {FILE_CREATE, STATUS_SUCCESS, FILE_CREATED, STATUS_OBJECT_NAME_COLLISION, FILE_EXISTS, 0},
        {FILE_OPEN_IF, STATUS_SUCCESS, FILE_CREATED, STATUS_SUCCESS, FILE_OPENED, 0},
        {FILE_OVERWRITE, STATUS_OBJECT_NAME_NOT_FOUND, FILE_DOES_NOT_EXIST, STATUS_SUCCESS, FILE_OVERWRITTEN,
         1},
        {FILE_OVERWRITE_IF, STATUS_SUCCESS, FILE_CREATED, STATUS_SUCCESS, FILE_OVERWRITTEN, 1}};

    for (unsigned i = 0; i < ARRAYSIZE(rows); i++) {
        WCHAR absent[] = L"\\??\\C:\\absent0";

        absent[13] = (WCHAR)('0' + i);
        disk_file("present", "text");
        EXPECT_STATUS(tried(absent, WRITE, rows[i].disposition, SYNC), rows[i].absent);
        EXPECT_EQ(io.Information, rows[i].absent_did);
        EXPECT_STATUS(tried(L"\\??\\C:\\present", READ, rows[i].disposition, SYNC), rows[i].present);
        EXPECT_EQ(io.Information, rows[i].present_did);
        EXPECT(disk_has("present", rows[i].emptied ? "" : "text"));
    }
    EXPECT_STATUS(tried(L"\\??\\C:\\present", READ, FILE_MAXIMUM_DISPOSITION + 1, SYNC),
                  STATUS_INVALID_PARAMETER);
}

TEST(fs_options_that_contradict, "")
{
    static const struct {
        ACCESS_MASK access;
        ULONG disposition, options;
    } rows[] = {{FILE_READ_DATA, FILE_OPEN, SYNC}, /* no SYNCHRONIZE */
                {READ, FILE_OPEN, SYNC | FILE_SYNCHRONOUS_IO_ALERT},
                {READ, FILE_OPEN, FILE_DIRECTORY_FILE | FILE_NON_DIRECTORY_FILE},
                {READ, FILE_OVERWRITE_IF, FILE_DIRECTORY_FILE},
                {READ, FILE_SUPERSEDE, FILE_DIRECTORY_FILE},
                {READ, FILE_OPEN, FILE_DELETE_ON_CLOSE}, /* no DELETE */
                {FILE_APPEND_DATA, FILE_OPEN, FILE_NO_INTERMEDIATE_BUFFERING},
                {READ, FILE_OPEN, 0x01000000}};
    OBJECT_ATTRIBUTES attributes = {.Length = sizeof attributes};
    HANDLE handle;

    disk_file("x", "");
    disk_folder("d");
    for (unsigned i = 0; i < ARRAYSIZE(rows); i++)
        EXPECT_STATUS(tried(L"\\??\\C:\\x", rows[i].access, rows[i].disposition, rows[i].options),
                      STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(create_at(NULL, L"\\??\\C:\\x", READ, 8, FILE_OPEN, SYNC, &handle),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(tried(L"\\??\\C:\\x", READ, FILE_OPEN, FILE_OPEN_BY_FILE_ID), STATUS_NOT_SUPPORTED);
    EXPECT_STATUS(ZwOpenFile(&handle, READ, &attributes, &io, 0, 0), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(tried(L"\\??\\C:\\x", READ, FILE_OPEN, FILE_DIRECTORY_FILE), STATUS_NOT_A_DIRECTORY);
    EXPECT_STATUS(tried(L"\\??\\C:\\d", READ, FILE_OPEN, FILE_NON_DIRECTORY_FILE),
                  STATUS_FILE_IS_A_DIRECTORY);
    EXPECT_STATUS(tried(L"\\??\\C:\\d", READ, FILE_OVERWRITE_IF, 0), STATUS_OBJECT_NAME_COLLISION);
}

TEST(fs_folders_are_made, "")
{
    HANDLE folder =
        opened(L"\\??\\C:\\New", FILE_LIST_DIRECTORY | SYNCHRONIZE, FILE_CREATE, FILE_DIRECTORY_FILE | SYNC);
    FILE_STANDARD_INFORMATION standard;

    EXPECT_EQ(io.Information, FILE_CREATED);
    EXPECT_STATUS(ZwQueryInformationFile(folder, &io, &standard, sizeof standard, FileStandardInformation),
                  STATUS_SUCCESS);
    EXPECT(standard.Directory && !standard.DeletePending);
    EXPECT_STATUS(ZwReadFile(folder, NULL, NULL, NULL, &io, &standard, 1, NULL, NULL),
                  STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_STATUS(ZwClose(folder), STATUS_SUCCESS);
    EXPECT_STATUS(tried(L"\\??\\C:\\New\\Below\\", READ, FILE_OPEN_IF, FILE_DIRECTORY_FILE), STATUS_SUCCESS);
    EXPECT(disk_has("New/Below", NULL));
}

/* ---- sharing -------------------------------------------------------------------------------------------- */

/* Also for a handle that neither reads nor writes. */
TEST(fs_nothing_is_made_where_nobody_may, "")
{
    disk_folder("locked");
    disk_file("locked/there", "");
    disk_lock("locked");
    EXPECT_STATUS(tried(L"\\??\\C:\\locked\\new", FILE_READ_ATTRIBUTES | SYNCHRONIZE, FILE_CREATE, SYNC),
                  STATUS_ACCESS_DENIED);
    EXPECT_STATUS(tried(L"\\??\\C:\\locked\\there", FILE_READ_ATTRIBUTES | SYNCHRONIZE, FILE_OPEN, SYNC),
                  STATUS_SUCCESS);
}

TEST(fs_sharing, "")
{
    static const struct {
        ACCESS_MASK first;
        ULONG first_share;
        ACCESS_MASK second;
        ULONG second_share;
        int works;
    } rows[] = {
        {READ, FILE_SHARE_READ, READ, FILE_SHARE_READ, 1},
        {READ, 0, READ, FILE_SHARE_READ, 0},
        {READ, FILE_SHARE_READ, READ, 0, 0},
        {READ, FILE_SHARE_READ, WRITE, SHARE_ALL, 0},
        {READ, FILE_SHARE_READ | FILE_SHARE_WRITE, WRITE, FILE_SHARE_READ, 1},
        {WRITE, FILE_SHARE_READ, READ, FILE_SHARE_READ, 0},
        {WRITE, FILE_SHARE_READ, READ, FILE_SHARE_READ | FILE_SHARE_WRITE, 1},
        {READ, FILE_SHARE_READ, DELETE | SYNCHRONIZE, SHARE_ALL, 0},
        {READ, FILE_SHARE_DELETE | FILE_SHARE_READ, DELETE | SYNCHRONIZE, SHARE_ALL, 1},
        {READ, 0, FILE_READ_ATTRIBUTES | SYNCHRONIZE, 0, 1}, /* who only looks */
        {FILE_READ_ATTRIBUTES | SYNCHRONIZE, 0, BOTH, 0, 1},
        {FILE_APPEND_DATA | SYNCHRONIZE, FILE_SHARE_READ, FILE_APPEND_DATA | SYNCHRONIZE, SHARE_ALL, 0},
    };
    HANDLE first, second;

    disk_file("x", "text");
    for (unsigned i = 0; i < ARRAYSIZE(rows); i++) {
        TEST_NOTE("row %u", i);
        EXPECT_STATUS(
            create_at(NULL, L"\\??\\C:\\x", rows[i].first, rows[i].first_share, FILE_OPEN, SYNC, &first),
            STATUS_SUCCESS);
        EXPECT_STATUS(
            create_at(NULL, L"\\??\\C:\\X", rows[i].second, rows[i].second_share, FILE_OPEN, SYNC, &second),
            rows[i].works ? STATUS_SUCCESS : STATUS_SHARING_VIOLATION);
        if (rows[i].works)
            EXPECT_STATUS(ZwClose(second), STATUS_SUCCESS);
        EXPECT_STATUS(ZwClose(first), STATUS_SUCCESS);
        /* All is as it was. */
        EXPECT_STATUS(create_at(NULL, L"\\??\\C:\\x", BOTH | DELETE, 0, FILE_OPEN, SYNC, &first),
                      STATUS_SUCCESS);
        EXPECT_STATUS(ZwClose(first), STATUS_SUCCESS);
    }
    /* Emptying is writing, whatever the handle may do; a refusal empties nothing. */
    EXPECT_STATUS(create_at(NULL, L"\\??\\C:\\x", READ, FILE_SHARE_READ, FILE_OPEN, SYNC, &first),
                  STATUS_SUCCESS);
    EXPECT_STATUS(tried(L"\\??\\C:\\x", READ, FILE_OVERWRITE_IF, SYNC), STATUS_SHARING_VIOLATION);
    EXPECT(disk_has("x", "text"));
    EXPECT_STATUS(ZwClose(first), STATUS_SUCCESS);
}

/* ---- reading and writing ---------------------------------------------------------------------------------- */

TEST(fs_synchronous_files_have_a_position, "")
{
    LARGE_INTEGER current = {.u = {FILE_USE_FILE_POINTER_POSITION, -1}},
                  end = {.u = {FILE_WRITE_TO_END_OF_FILE, -1}};
    FILE_POSITION_INFORMATION position;
    LARGE_INTEGER at = {.QuadPart = 2};
    HANDLE file = opened(L"\\??\\C:\\x", BOTH, FILE_CREATE, SYNC);

    EXPECT_STATUS(write_text(file, "abc", NULL), STATUS_SUCCESS);
    EXPECT_EQ(io.Information, 3);
    EXPECT_STATUS(write_text(file, "def", &current), STATUS_SUCCESS);
    EXPECT_EQ(position_of(file), 6);
    EXPECT_STR(read_text(file, 10, NULL), "(end)");
    EXPECT_EQ(io.Information, 0);
    EXPECT_STR(read_text(file, 3, &at), "cde");
    EXPECT_EQ(position_of(file), 5);
    EXPECT_STR(read_text(file, 100, NULL), "f");
    EXPECT_EQ(io.Information, 1);
    position.CurrentByteOffset.QuadPart = 1;
    EXPECT_STATUS(ZwSetInformationFile(file, &io, &position, sizeof position, FilePositionInformation),
                  STATUS_SUCCESS);
    EXPECT_STR(read_text(file, 2, &current), "bc");
    EXPECT_STATUS(write_text(file, "!", &end), STATUS_SUCCESS);
    EXPECT_EQ(position_of(file), 7);
    EXPECT(disk_has("x", "abcdef!"));
    at.QuadPart = -7;
    EXPECT_STATUS(write_text(file, "no", &at), STATUS_INVALID_PARAMETER);
    at.QuadPart = 0x7FFFFFFFFFFFFFFFll;
    EXPECT_STATUS(write_text(file, "no", &at), STATUS_INVALID_PARAMETER);
    position.CurrentByteOffset.QuadPart = -1;
    EXPECT_STATUS(ZwSetInformationFile(file, &io, &position, sizeof position, FilePositionInformation),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(ZwReadFile(file, NULL, NULL, NULL, &io, &at, 0, NULL, NULL), STATUS_SUCCESS);
    EXPECT_EQ(io.Information, 0);
    EXPECT_STATUS(ZwFlushBuffersFile(file, &io), STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
}

/* Without FILE_SYNCHRONOUS_IO_... each request names its offset; an event is set when it is done. */
TEST(fs_other_files_have_none, "")
{
    LARGE_INTEGER at = {.QuadPart = 1}, current = {.u = {FILE_USE_FILE_POINTER_POSITION, -1}};
    HANDLE file, thread = NtCurrentThread(), event_handle;
    PKEVENT event = ob_create_object(&ob_event_type, sizeof *event);
    char text[8];

    EXPECT(event != NULL);
    ke_initialize_event(event, NotificationEvent, TRUE);
    EXPECT_STATUS(ob_open_handle(event, &event_handle), STATUS_SUCCESS);
    disk_file("x", "abc");
    file = opened(L"\\??\\C:\\x", BOTH, FILE_OPEN, 0);
    EXPECT_STATUS(ZwReadFile(file, NULL, NULL, NULL, &io, text, 1, NULL, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(ZwReadFile(file, NULL, NULL, NULL, &io, text, 1, &current, NULL), STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(ZwReadFile(file, thread, NULL, NULL, &io, text, 1, &at, NULL), STATUS_OBJECT_TYPE_MISMATCH);
    EXPECT_STATUS(ZwReadFile(file, NULL, (PIO_APC_ROUTINE)(ULONG_PTR)1, NULL, &io, text, 1, &at, NULL),
                  STATUS_INVALID_PARAMETER);
    KeClearEvent(event);
    EXPECT_STATUS(ZwReadFile(file, event_handle, NULL, NULL, &io, text, 8, &at, NULL), STATUS_SUCCESS);
    EXPECT_EQ(io.Information, 2);
    EXPECT_EQ(KeReadStateEvent(event), 1);
    KeClearEvent(event);
    at.QuadPart = 3;
    EXPECT_STATUS(ZwReadFile(file, event_handle, NULL, NULL, &io, text, 8, &at, NULL), STATUS_END_OF_FILE);
    EXPECT_EQ(KeReadStateEvent(event), 1);
    EXPECT_STATUS(ZwClose(event_handle), STATUS_SUCCESS);
    ObDereferenceObject(event);
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
}

static VOID set_positions(PVOID file)
{
    for (int i = 0; i < 200; i++) {
        FILE_POSITION_INFORMATION position = {.CurrentByteOffset = {.QuadPart = i}};
        IO_STATUS_BLOCK out;

        EXPECT_STATUS(ZwSetInformationFile(file, &out, &position, sizeof position, FilePositionInformation),
                      STATUS_SUCCESS);
    }
}

/* A file that is not synchronous, too, has its position's value in one piece (ThreadSanitizer sees if not). */
TEST(fs_positions_are_set_by_several_threads, "")
{
    HANDLE file = opened(L"\\??\\C:\\x", BOTH, FILE_CREATE, 0);
    struct ke_thread *threads[2];

    for (unsigned i = 0; i < ARRAYSIZE(threads); i++)
        threads[i] = start_thread(set_positions, file);
    for (int i = 0; i < 200; i++)
        EXPECT(position_of(file) < 200);
    for (unsigned i = 0; i < ARRAYSIZE(threads); i++)
        join_thread(threads[i]);
    EXPECT_EQ(position_of(file), 199);
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
}

TEST(fs_append_only, "")
{
    LARGE_INTEGER at = {.QuadPart = 0};
    HANDLE file, other;

    disk_file("log", "one ");
    file = opened(L"\\??\\C:\\log", FILE_APPEND_DATA | SYNCHRONIZE, FILE_OPEN, SYNC);
    other = opened(L"\\??\\C:\\log", FILE_APPEND_DATA, FILE_OPEN, 0);
    EXPECT_STATUS(write_text(file, "two ", &at), STATUS_SUCCESS);
    EXPECT_STATUS(write_text(other, "three ", NULL), STATUS_SUCCESS);
    EXPECT_STATUS(write_text(file, "four", NULL), STATUS_SUCCESS);
    EXPECT(disk_has("log", "one two three four"));
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(other), STATUS_SUCCESS);
}

static HANDLE log_file;

static VOID NTAPI append_lines(PVOID context)
{
    LARGE_INTEGER end = {.u = {FILE_WRITE_TO_END_OF_FILE, -1}};
    IO_STATUS_BLOCK mine;

    UNREFERENCED_PARAMETER(context);
    for (int i = 0; i < 200; i++)
        EXPECT_STATUS(ZwWriteFile(log_file, NULL, NULL, NULL, &mine, (PVOID) "0123456789", 10, &end, NULL),
                      STATUS_SUCCESS);
}

/* Nobody writes over what another has appended at the same time. */
TEST(fs_appending_is_one_step, "")
{
    HANDLE thread[4];

    log_file = opened(L"\\??\\C:\\log", WRITE, FILE_CREATE, 0);
    for (int i = 0; i < 4; i++)
        EXPECT_STATUS(
            PsCreateSystemThread(&thread[i], THREAD_ALL_ACCESS, NULL, NULL, NULL, append_lines, NULL),
            STATUS_SUCCESS);
    for (int i = 0; i < 4; i++) {
        EXPECT_STATUS(ZwWaitForSingleObject(thread[i], FALSE, NULL), STATUS_SUCCESS);
        EXPECT_STATUS(ZwClose(thread[i]), STATUS_SUCCESS);
    }
    EXPECT_EQ(size_of(log_file), 4 * 200 * 10);
    EXPECT_STATUS(ZwClose(log_file), STATUS_SUCCESS);
}

TEST(fs_access_is_what_was_asked_for, "")
{
    FILE_END_OF_FILE_INFORMATION end = {{.QuadPart = 1}};
    FILE_DISPOSITION_INFORMATION gone = {TRUE};
    FILE_BASIC_INFORMATION basic;
    HANDLE file;
    char text[4];

    disk_file("x", "abc");
    file = opened(L"\\??\\C:\\x", FILE_READ_DATA | SYNCHRONIZE, FILE_OPEN, SYNC);
    EXPECT_STATUS(write_text(file, "no", NULL), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(ZwSetInformationFile(file, &io, &end, sizeof end, FileEndOfFileInformation),
                  STATUS_ACCESS_DENIED);
    EXPECT_STATUS(ZwSetInformationFile(file, &io, &gone, sizeof gone, FileDispositionInformation),
                  STATUS_ACCESS_DENIED);
    EXPECT_STATUS(ZwQueryInformationFile(file, &io, &basic, sizeof basic, FileBasicInformation),
                  STATUS_ACCESS_DENIED);
    EXPECT_STATUS(ZwFlushBuffersFile(file, &io), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
    file = opened(L"\\??\\C:\\x", FILE_WRITE_DATA | SYNCHRONIZE, FILE_OPEN, SYNC);
    EXPECT_STATUS(ZwReadFile(file, NULL, NULL, NULL, &io, text, 1, NULL, NULL), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
    file = opened(L"\\??\\C:\\x", GENERIC_READ | GENERIC_WRITE, FILE_OPEN, SYNC);
    EXPECT_STR(read_text(file, 9, NULL), "abc");
    EXPECT_STATUS(write_text(file, "d", NULL), STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
    EXPECT_STATUS(ZwReadFile(file, NULL, NULL, NULL, &io, text, 1, NULL, NULL), STATUS_INVALID_HANDLE);
    EXPECT_STATUS(ZwReadFile(NtCurrentThread(), NULL, NULL, NULL, &io, text, 1, NULL, NULL),
                  STATUS_OBJECT_TYPE_MISMATCH);
    EXPECT(disk_has("x", "abcd"));
}

/* ---- information ------------------------------------------------------------------------------------------ */

TEST(fs_information_has_its_sizes, "")
{
    static const struct {
        FILE_INFORMATION_CLASS class;
        ULONG bytes;
    } rows[] = {{FileBasicInformation, 40},       {FileStandardInformation, 24},
                {FileInternalInformation, 8},     {FileEaInformation, 4},
                {FileAccessInformation, 4},       {FilePositionInformation, 8},
                {FileModeInformation, 4},         {FileAlignmentInformation, 4},
                {FileNetworkOpenInformation, 56}, {FileAttributeTagInformation, 8}};
    UCHAR buffer[128];
    HANDLE file;

    disk_file("x", "abc");
    file = opened(L"\\??\\C:\\x", READ, FILE_OPEN, SYNC);
    for (unsigned i = 0; i < ARRAYSIZE(rows); i++) {
        memset(buffer, 0xcc, sizeof buffer);
        EXPECT_STATUS(ZwQueryInformationFile(file, &io, buffer, rows[i].bytes - 1, rows[i].class),
                      STATUS_INFO_LENGTH_MISMATCH);
        EXPECT_EQ(buffer[0], 0xcc);
        EXPECT_STATUS(ZwQueryInformationFile(file, &io, buffer, rows[i].bytes, rows[i].class),
                      STATUS_SUCCESS);
        EXPECT_EQ(io.Information, rows[i].bytes);
        EXPECT_EQ(buffer[rows[i].bytes], 0xcc);
    }
    EXPECT_STATUS(ZwQueryInformationFile(file, &io, buffer, sizeof buffer, FileEndOfFileInformation),
                  STATUS_INVALID_INFO_CLASS);
    EXPECT_STATUS(ZwSetInformationFile(file, &io, buffer, sizeof buffer, FileStandardInformation),
                  STATUS_INVALID_INFO_CLASS);
    EXPECT_STATUS(ZwQueryInformationFile(NULL, &io, buffer, 40, FileBasicInformation), STATUS_INVALID_HANDLE);
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
}

TEST(fs_names_are_told, "")
{
    UCHAR buffer[64];
    PFILE_NAME_INFORMATION name = (PFILE_NAME_INFORMATION)buffer;
    union {
        FILE_ALL_INFORMATION all;
        UCHAR room[200];
    } all;
    HANDLE file;

    disk_folder("Sub");
    disk_file("Sub/x.y", "abc");
    file = opened(L"\\??\\C:\\SUB\\X.Y", READ, FILE_OPEN, SYNC);
    EXPECT_STATUS(ZwQueryInformationFile(file, &io, buffer, sizeof buffer, FileNameInformation),
                  STATUS_SUCCESS);
    EXPECT_EQ(name->FileNameLength, 8 * 2);
    EXPECT_EQ(io.Information, 4 + 16);
    EXPECT_EQ(memcmp(name->FileName, L"\\Sub\\x.y", 16), 0);
    memset(buffer, 0xcc, sizeof buffer);
    EXPECT_STATUS(ZwQueryInformationFile(file, &io, buffer, 4 + 7, FileNameInformation),
                  STATUS_BUFFER_OVERFLOW);
    EXPECT_EQ(name->FileNameLength, 8 * 2);
    EXPECT_EQ(io.Information, 4 + 6);
    EXPECT_EQ(memcmp(name->FileName, L"\\Su", 6), 0);
    EXPECT_EQ(buffer[4 + 6], 0xcc);
    EXPECT_STATUS(ZwQueryInformationFile(file, &io, &all, sizeof all, FileAllInformation), STATUS_SUCCESS);
    EXPECT_EQ(all.all.StandardInformation.EndOfFile.QuadPart, 3);
    EXPECT_EQ(all.all.BasicInformation.FileAttributes, FILE_ATTRIBUTE_NORMAL);
    EXPECT_EQ(all.all.AccessInformation.AccessFlags, READ);
    EXPECT_EQ(all.all.ModeInformation.Mode, SYNC);
    EXPECT_EQ(memcmp(all.all.NameInformation.FileName, L"\\Sub\\x.y", 16), 0);
    EXPECT_EQ(io.Information, FIELD_OFFSET(FILE_ALL_INFORMATION, NameInformation.FileName) + 16);
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
}

TEST(fs_size_and_times_are_set, "")
{
    FILE_END_OF_FILE_INFORMATION end = {{.QuadPart = 2}};
    FILE_ALLOCATION_INFORMATION room = {{.QuadPart = 100}};
    FILE_BASIC_INFORMATION basic = {.LastWriteTime.QuadPart = 132223104000000000ll, /* 2020-01-01 */
                                    .CreationTime.QuadPart = -1};
    FILE_NETWORK_OPEN_INFORMATION network;
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\??\\C:\\x");
    OBJECT_ATTRIBUTES attributes;
    HANDLE file;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    disk_file("x", "abcdef");
    file = opened(L"\\??\\C:\\x", BOTH, FILE_OPEN, SYNC);
    EXPECT_STATUS(ZwSetInformationFile(file, &io, &end, sizeof end, FileEndOfFileInformation),
                  STATUS_SUCCESS);
    EXPECT(disk_has("x", "ab"));
    EXPECT_STATUS(ZwSetInformationFile(file, &io, &room, sizeof room, FileAllocationInformation),
                  STATUS_SUCCESS);
    EXPECT_EQ(size_of(file), 2);
    room.AllocationSize.QuadPart = 1;
    EXPECT_STATUS(ZwSetInformationFile(file, &io, &room, sizeof room, FileAllocationInformation),
                  STATUS_SUCCESS);
    EXPECT(disk_has("x", "a"));
    end.EndOfFile.QuadPart = -1;
    EXPECT_STATUS(ZwSetInformationFile(file, &io, &end, sizeof end, FileEndOfFileInformation),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(ZwSetInformationFile(file, &io, &basic, sizeof basic, FileBasicInformation),
                  STATUS_SUCCESS);
    EXPECT_STATUS(ZwQueryFullAttributesFile(&attributes, &network), STATUS_SUCCESS);
    EXPECT_EQ(network.LastWriteTime.QuadPart, basic.LastWriteTime.QuadPart);
    EXPECT(network.CreationTime.QuadPart > basic.LastWriteTime.QuadPart);
    EXPECT_EQ(network.EndOfFile.QuadPart, 1);
    EXPECT_EQ(network.FileAttributes, FILE_ATTRIBUTE_NORMAL);
    basic.LastWriteTime.QuadPart = 0;
    basic.FileAttributes = FILE_ATTRIBUTE_DIRECTORY;
    EXPECT_STATUS(ZwSetInformationFile(file, &io, &basic, sizeof basic, FileBasicInformation),
                  STATUS_INVALID_PARAMETER);
    basic.FileAttributes = FILE_ATTRIBUTE_READONLY;
    EXPECT_STATUS(ZwSetInformationFile(file, &io, &basic, sizeof basic, FileBasicInformation),
                  STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
    EXPECT_STATUS(ZwQueryFullAttributesFile(&attributes, &network), STATUS_SUCCESS);
    EXPECT_EQ(network.FileAttributes, FILE_ATTRIBUTE_READONLY);
    EXPECT_STATUS(tried(L"\\??\\C:\\x", WRITE, FILE_OPEN, SYNC), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(tried(L"\\??\\C:\\x", READ, FILE_OVERWRITE, SYNC), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(tried(L"\\??\\C:\\x", DELETE, FILE_OPEN, FILE_DELETE_ON_CLOSE), STATUS_CANNOT_DELETE);
    EXPECT_STATUS(ZwDeleteFile(&attributes), STATUS_CANNOT_DELETE);
    EXPECT(disk_has("x", "a"));
}

/* ---- deletion and new names ------------------------------------------------------------------------------- */

static NTSTATUS dispose(HANDLE file, BOOLEAN gone)
{
    FILE_DISPOSITION_INFORMATION disposition = {gone};

    return ZwSetInformationFile(file, &io, &disposition, sizeof disposition, FileDispositionInformation);
}

TEST(fs_deletion_waits_for_the_last_handle, "")
{
    HANDLE first, second;

    disk_file("x", "text");
    first = opened(L"\\??\\C:\\x", READ | DELETE, FILE_OPEN, SYNC);
    second = opened(L"\\??\\C:\\x", READ, FILE_OPEN, SYNC);
    EXPECT_STATUS(dispose(first, TRUE), STATUS_SUCCESS);
    EXPECT_STATUS(tried(L"\\??\\C:\\x", READ, FILE_OPEN, SYNC), STATUS_DELETE_PENDING);
    EXPECT_STATUS(dispose(first, FALSE), STATUS_SUCCESS);
    EXPECT_STATUS(tried(L"\\??\\C:\\x", READ, FILE_OPEN, SYNC), STATUS_SUCCESS);
    EXPECT_STATUS(dispose(first, TRUE), STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(first), STATUS_SUCCESS);
    EXPECT(disk_has("x", "text"));
    EXPECT_STR(read_text(second, 9, NULL), "text");
    EXPECT_STATUS(ZwClose(second), STATUS_SUCCESS);
    EXPECT(!disk_has("x", NULL));
}

TEST(fs_delete_on_close, "")
{
    HANDLE file = opened(L"\\??\\C:\\x", WRITE | DELETE, FILE_CREATE, SYNC | FILE_DELETE_ON_CLOSE);
    PVOID object;

    EXPECT(disk_has("x", ""));
    /* The file lives as long as somebody refers to it. */
    EXPECT_STATUS(ObReferenceObjectByHandle(file, 0, NULL, KernelMode, &object, NULL), STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
    EXPECT(disk_has("x", ""));
    ObDereferenceObject(object);
    EXPECT(!disk_has("x", NULL));
}

/* What was not opened is not removed, and its state is told. */
TEST(fs_delete_on_close_spares_what_was_not_opened, "")
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\??\\C:\\x");
    OBJECT_ATTRIBUTES attributes;
    HANDLE file;

    disk_file("x", "text");
    disk_refuse_resize(1);
    EXPECT_STATUS(create(L"\\??\\C:\\x", WRITE | DELETE, FILE_OVERWRITE, SYNC | FILE_DELETE_ON_CLOSE, &file),
                  STATUS_DISK_FULL);
    EXPECT_EQ(io.Information, FILE_EXISTS);
    EXPECT(disk_has("x", "text"));
    disk_refuse_resize(0);

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    EXPECT_STATUS(
        ZwOpenFile((PHANDLE)0x10, READ | DELETE, &attributes, &io, SHARE_ALL, SYNC | FILE_DELETE_ON_CLOSE),
        STATUS_ACCESS_VIOLATION);
    EXPECT(disk_has("x", "text"));

    disk_refuse_mode(1);
    EXPECT_STATUS(ZwCreateFile(&file, WRITE, &attributes, &io, NULL, FILE_ATTRIBUTE_READONLY, SHARE_ALL,
                               FILE_OVERWRITE, SYNC, NULL, 0),
                  STATUS_ACCESS_DENIED);
    disk_refuse_mode(0);
    EXPECT_STATUS(tried(L"\\??\\C:\\x", WRITE | DELETE, FILE_OPEN, SYNC | FILE_DELETE_ON_CLOSE),
                  STATUS_SUCCESS);
    EXPECT(!disk_has("x", NULL));
}

/* Another program has put another file in its place: that one stays. */
TEST(fs_deletes_no_other_file, "")
{
    HANDLE file;

    disk_file("x", "ours");
    disk_file("y", "theirs");
    file = opened(L"\\??\\C:\\x", READ | DELETE, FILE_OPEN, SYNC);
    EXPECT_STATUS(dispose(file, TRUE), STATUS_SUCCESS);
    disk_rename("y", "x");
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
    EXPECT(disk_has("x", "theirs"));
}

TEST(fs_delete_file, "")
{
    UNICODE_STRING x = RTL_CONSTANT_STRING(L"\\??\\C:\\X"), d = RTL_CONSTANT_STRING(L"\\??\\C:\\d"),
                   full = RTL_CONSTANT_STRING(L"\\??\\C:\\full"),
                   link = RTL_CONSTANT_STRING(L"\\??\\C:\\link");
    OBJECT_ATTRIBUTES attributes;
    HANDLE file;

    disk_file("x", "");
    disk_folder("d");
    disk_folder("full");
    disk_file("full/x", "");
    disk_link("link", "full/x");
    InitializeObjectAttributes(&attributes, &full, OBJ_KERNEL_HANDLE, NULL, NULL);
    EXPECT_STATUS(ZwDeleteFile(&attributes), STATUS_DIRECTORY_NOT_EMPTY);
    InitializeObjectAttributes(&attributes, &link, OBJ_KERNEL_HANDLE, NULL, NULL);
    EXPECT_STATUS(ZwDeleteFile(&attributes), STATUS_ACCESS_DENIED);
    EXPECT_STATUS(tried(L"\\??\\C:\\link", DELETE, FILE_OPEN, FILE_DELETE_ON_CLOSE), STATUS_ACCESS_DENIED);
    InitializeObjectAttributes(&attributes, &d, OBJ_KERNEL_HANDLE, NULL, NULL);
    EXPECT_STATUS(ZwDeleteFile(&attributes), STATUS_SUCCESS);
    EXPECT_STATUS(ZwDeleteFile(&attributes), STATUS_OBJECT_NAME_NOT_FOUND);
    InitializeObjectAttributes(&attributes, &x, OBJ_KERNEL_HANDLE, NULL, NULL);
    EXPECT_STATUS(create_at(NULL, L"\\??\\C:\\x", READ, FILE_SHARE_READ, FILE_OPEN, SYNC, &file),
                  STATUS_SUCCESS);
    EXPECT_STATUS(ZwDeleteFile(&attributes), STATUS_SHARING_VIOLATION);
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
    EXPECT_STATUS(ZwDeleteFile(&attributes), STATUS_SUCCESS);
    EXPECT(!disk_has("x", NULL) && !disk_has("d", NULL) && disk_has("full/x", ""));
}

static NTSTATUS rename(HANDLE file, HANDLE root, PCWSTR to, BOOLEAN replace)
{
    union {
        FILE_RENAME_INFORMATION rename;
        UCHAR room[256];
    } to_name = {.rename = {.ReplaceIfExists = replace, .RootDirectory = root}};
    PWSTR name = (PWSTR)(to_name.room + FIELD_OFFSET(FILE_RENAME_INFORMATION, FileName));
    ULONG bytes = 0;

    for (; to[bytes / 2]; bytes += 2)
        name[bytes / 2] = to[bytes / 2];
    to_name.rename.FileNameLength = bytes;
    return ZwSetInformationFile(file, &io, &to_name, sizeof to_name, FileRenameInformation);
}

TEST(fs_rename, "")
{
    HANDLE file, folder, other;

    disk_folder("d");
    disk_file("x", "ours");
    disk_file("y", "theirs");
    file = opened(L"\\??\\C:\\x", READ | DELETE, FILE_OPEN, SYNC);
    folder = opened(L"\\??\\C:\\d", READ | DELETE, FILE_OPEN, SYNC);
    EXPECT_STATUS(rename(file, NULL, L"y", FALSE), STATUS_OBJECT_NAME_COLLISION);
    EXPECT_STATUS(rename(file, NULL, L"X", FALSE), STATUS_SUCCESS); /* only its case */
    EXPECT(disk_has("X", "ours") && !disk_has("x", NULL));
    other = opened(L"\\??\\C:\\y", READ, FILE_OPEN, SYNC);
    EXPECT_STATUS(rename(file, NULL, L"y", TRUE), STATUS_ACCESS_DENIED); /* it is open */
    EXPECT_STATUS(ZwClose(other), STATUS_SUCCESS);
    EXPECT_STATUS(rename(file, NULL, L"Y", TRUE), STATUS_SUCCESS);
    EXPECT(disk_has("y", "ours") && !disk_has("X", NULL));
    EXPECT_STATUS(rename(file, folder, L"z", FALSE), STATUS_SUCCESS);
    EXPECT(disk_has("d/z", "ours"));
    EXPECT_STATUS(rename(folder, NULL, L"e", FALSE), STATUS_ACCESS_DENIED); /* something in it is open */
    EXPECT_STATUS(rename(file, NULL, L"\\??\\C:\\back", FALSE), STATUS_SUCCESS);
    EXPECT(disk_has("back", "ours"));
    EXPECT_STATUS(rename(folder, NULL, L"e", FALSE), STATUS_SUCCESS);
    EXPECT(disk_has("e", NULL));
    EXPECT_STATUS(rename(file, NULL, L"..\\outside\\x", FALSE), STATUS_OBJECT_NAME_INVALID);
    EXPECT_STATUS(rename(file, NULL, L"none\\x", FALSE), STATUS_OBJECT_NAME_INVALID);
    EXPECT_STATUS(rename(file, NULL, L"\\??\\C:\\none\\x", FALSE), STATUS_OBJECT_PATH_NOT_FOUND);
    /* The name that goes is the new one. */
    EXPECT_STATUS(dispose(file, TRUE), STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
    EXPECT(!disk_has("back", NULL));
    EXPECT_STATUS(ZwClose(folder), STATUS_SUCCESS);
}

/* No memory for the new name: then the host has renamed nothing either. */
TEST(fs_rename_without_memory, "")
{
    HANDLE file, folder = NULL;
    WCHAR name[201] = {0};

    for (unsigned i = 0; i < 200; i++)
        name[i] = 'd';
    disk_file("x", "ours");
    EXPECT_STATUS(create(L"\\??\\C:\\top", READ, FILE_CREATE, SYNC | FILE_DIRECTORY_FILE, &folder),
                  STATUS_SUCCESS);
    for (unsigned depth = 0; depth < 11; depth++) { /* a path that takes a block of 4096 bytes */
        HANDLE above = folder;

        EXPECT_STATUS(
            create_at(above, name, READ, SHARE_ALL, FILE_CREATE, SYNC | FILE_DIRECTORY_FILE, &folder),
            STATUS_SUCCESS);
        EXPECT_STATUS(ZwClose(above), STATUS_SUCCESS);
    }
    file = opened(L"\\??\\C:\\x", READ | DELETE, FILE_OPEN, SYNC);
    disk_refuse_memory(1);
    while (ke_allocate(4096))
        ;
    EXPECT_STATUS(rename(file, folder, L"y", FALSE), STATUS_INSUFFICIENT_RESOURCES);
    EXPECT(disk_has("x", "ours"));
    disk_refuse_memory(0);
    EXPECT_STATUS(rename(file, folder, L"y", FALSE), STATUS_SUCCESS);
    EXPECT(!disk_has("x", NULL));
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(folder), STATUS_SUCCESS);
}

/* ---- folders ---------------------------------------------------------------------------------------------- */

/* The names of one answer with a blank behind each. */
static const char *names_of(const UCHAR *buffer, ULONG name_at, ULONG length_at)
{
    static char text[512];
    size_t used = 0;

    for (;; buffer += *(const ULONG *)buffer) {
        for (ULONG i = 0; i < *(const ULONG *)(buffer + length_at) / 2; i++)
            text[used++] = (char)((const WCHAR *)(buffer + name_at))[i];
        text[used++] = ' ';
        if (!*(const ULONG *)buffer)
            break;
    }
    text[used] = 0;
    return text;
}

static NTSTATUS query(HANDLE folder, UCHAR *buffer, ULONG bytes, FILE_INFORMATION_CLASS class, BOOLEAN one,
                      PCWSTR pattern, BOOLEAN restart)
{
    UNICODE_STRING name;

    RtlInitUnicodeString(&name, pattern);
    memset(buffer, 0xcc, bytes);
    return ZwQueryDirectoryFile(folder, NULL, NULL, NULL, &io, buffer, bytes, class, one,
                                pattern ? &name : NULL, restart);
}

static HANDLE some_folder(void)
{
    disk_folder("d");
    disk_file("d/b.txt", "bb");
    disk_file("d/A.txt", "a");
    disk_folder("d/c");
    disk_file("d/z", "");
    disk_pipe("d/pipe");
    disk_link("d/out", "../../outside/secret");
    return opened(L"\\??\\C:\\d", FILE_LIST_DIRECTORY | SYNCHRONIZE, FILE_OPEN, FILE_DIRECTORY_FILE | SYNC);
}

/* Every class; what is no file or leads out is not listed. */
TEST(fs_folders_are_listed, "")
{
    static const struct {
        FILE_INFORMATION_CLASS class;
        ULONG name, length;
    } rows[] = {{FileDirectoryInformation, 64, 60},       {FileFullDirectoryInformation, 68, 60},
                {FileBothDirectoryInformation, 94, 60},   {FileNamesInformation, 12, 8},
                {FileIdFullDirectoryInformation, 80, 60}, {FileIdBothDirectoryInformation, 104, 60}};
    HANDLE folder = some_folder();
    UCHAR buffer[2048];

    for (unsigned i = 0; i < ARRAYSIZE(rows); i++) {
        TEST_NOTE("class %d", rows[i].class);
        EXPECT_STATUS(query(folder, buffer, sizeof buffer, rows[i].class, FALSE, NULL, TRUE), STATUS_SUCCESS);
        EXPECT_STR(names_of(buffer, rows[i].name, rows[i].length), ". .. A.txt b.txt c z ");
        EXPECT_EQ(buffer[io.Information], 0xcc);
        EXPECT_STATUS(query(folder, buffer, sizeof buffer, rows[i].class, FALSE, NULL, FALSE),
                      STATUS_NO_MORE_FILES);
        EXPECT_EQ(io.Information, 0);
    }
    EXPECT_STATUS(query(folder, buffer, sizeof buffer, FileBasicInformation, FALSE, NULL, TRUE),
                  STATUS_INVALID_INFO_CLASS);
    EXPECT_STATUS(query(folder, buffer, 64, FileDirectoryInformation, FALSE, NULL, TRUE),
                  STATUS_INFO_LENGTH_MISMATCH);
    EXPECT_STATUS(ZwClose(folder), STATUS_SUCCESS);
}

TEST(fs_folders_are_listed_one_by_one, "")
{
    HANDLE folder = some_folder();
    UCHAR buffer[256];
    PFILE_DIRECTORY_INFORMATION entry = (PFILE_DIRECTORY_INFORMATION)buffer;

    EXPECT_STATUS(query(folder, buffer, 256, FileDirectoryInformation, TRUE, L"*.TXT", FALSE),
                  STATUS_SUCCESS);
    EXPECT_STR(names_of(buffer, 64, 60), "A.txt ");
    EXPECT_EQ(entry->EndOfFile.QuadPart, 1);
    EXPECT_EQ(entry->FileAttributes, FILE_ATTRIBUTE_NORMAL);
    EXPECT_STATUS(query(folder, buffer, 256, FileDirectoryInformation, TRUE, L"*", FALSE), STATUS_SUCCESS);
    EXPECT_STR(names_of(buffer, 64, 60), "b.txt ");
    EXPECT_STATUS(query(folder, buffer, 256, FileDirectoryInformation, TRUE, NULL, FALSE),
                  STATUS_NO_MORE_FILES);
    EXPECT_STATUS(query(folder, buffer, 256, FileDirectoryInformation, TRUE, L"c", TRUE), STATUS_SUCCESS);
    EXPECT_STR(names_of(buffer, 64, 60), "c ");
    EXPECT_EQ(entry->FileAttributes, FILE_ATTRIBUTE_DIRECTORY);
    EXPECT_STATUS(query(folder, buffer, 256, FileDirectoryInformation, TRUE, L"none", TRUE),
                  STATUS_NO_SUCH_FILE);
    /* Names that do not fit come with the next call; one alone is cut and comes again. */
    EXPECT_STATUS(query(folder, buffer, 80, FileDirectoryInformation, FALSE, L"?.txt", TRUE), STATUS_SUCCESS);
    EXPECT_STR(names_of(buffer, 64, 60), "A.txt ");
    EXPECT_STATUS(query(folder, buffer, 72, FileDirectoryInformation, FALSE, NULL, FALSE),
                  STATUS_BUFFER_OVERFLOW);
    EXPECT_EQ(entry->FileNameLength, 10);
    EXPECT_EQ(memcmp(entry->FileName, L"b.tx", 8), 0);
    EXPECT_STATUS(query(folder, buffer, 80, FileDirectoryInformation, FALSE, NULL, FALSE), STATUS_SUCCESS);
    EXPECT_STR(names_of(buffer, 64, 60), "b.txt ");
    EXPECT_STATUS(ZwClose(folder), STATUS_SUCCESS);
}

TEST(fs_root_has_no_dots_and_files_have_no_entries, "")
{
    UCHAR buffer[1024];
    HANDLE folder, file;

    disk_file("x", "");
    folder = opened(L"\\??\\C:\\", FILE_LIST_DIRECTORY | SYNCHRONIZE, FILE_OPEN, FILE_DIRECTORY_FILE | SYNC);
    EXPECT_STATUS(query(folder, buffer, 1024, FileBothDirectoryInformation, FALSE, NULL, FALSE),
                  STATUS_SUCCESS);
    EXPECT_STR(names_of(buffer, 94, 60), "x ");
    file = opened(L"\\??\\C:\\x", READ, FILE_OPEN, SYNC);
    EXPECT_STATUS(query(file, buffer, 1024, FileBothDirectoryInformation, FALSE, NULL, FALSE),
                  STATUS_INVALID_PARAMETER);
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(folder), STATUS_SUCCESS);
    folder = opened(L"\\??\\C:\\", FILE_READ_ATTRIBUTES | SYNCHRONIZE, FILE_OPEN, SYNC);
    EXPECT_STATUS(query(folder, buffer, 1024, FileBothDirectoryInformation, FALSE, NULL, FALSE),
                  STATUS_ACCESS_DENIED);
    EXPECT_STATUS(ZwClose(folder), STATUS_SUCCESS);
}

static size_t length_of(PCWSTR text)
{
    size_t units = 0;

    while (text[units])
        units++;
    return units;
}

TEST(fs_patterns, "")
{
    static const struct {
        PCWSTR pattern, name;
        int matches;
    } rows[] = {
        {L"*", L"a.b", 1},
        {L"*.*", L"a.b", 1},
        {L"*.*", L"ab", 0},
        {L"?", L"a", 1},
        {L"?", L"", 0},
        {L"?", L"ab", 0},
        {L"a*c", L"AbbC", 1},
        {L"a*c", L"abb", 0},
        {L"a*b*c", L"a1b2b3c", 1},
        {L"<.txt", L"a.b.txt", 1},
        {L"<.b", L"a.b.txt", 0},
        {L"<", L"abc", 1},
        {L"<", L"a.b", 0},
        {L">>>.c", L"ab.c", 1},
        {L">>.c", L"abc.c", 0},
        {L"a\"", L"a", 1},
        {L"a\"b", L"a.b", 1},
        {L"a\"b", L"ab", 0},
        {L"*a*a*a*a*a*a*a*a*b", L"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0}};

    for (unsigned i = 0; i < ARRAYSIZE(rows); i++) {
        TEST_NOTE("row %u", i);
        EXPECT_EQ(
            fs_matches(rows[i].pattern, length_of(rows[i].pattern), rows[i].name, length_of(rows[i].name)),
            rows[i].matches);
    }
}

/* ---- memory that is not there --------------------------------------------------------------------------- */

TEST(fs_bad_buffers_leave_nothing_held, "")
{
    UNICODE_STRING name = {20, 20, (PWSTR)0x10};
    OBJECT_ATTRIBUTES attributes;
    HANDLE file, folder = some_folder();
    PVOID nowhere = (PVOID)0x10;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    EXPECT_STATUS(ZwOpenFile(&file, READ, &attributes, &io, SHARE_ALL, SYNC), STATUS_ACCESS_VIOLATION);
    file = opened(L"\\??\\C:\\d\\a.txt", BOTH, FILE_OPEN, SYNC);
    EXPECT_STATUS(ZwReadFile(file, NULL, NULL, NULL, &io, nowhere, 1, NULL, NULL), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(ZwWriteFile(file, NULL, NULL, NULL, &io, nowhere, 1, NULL, NULL), STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(ZwQueryInformationFile(file, &io, nowhere, 40, FileBasicInformation),
                  STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(ZwSetInformationFile(file, &io, nowhere, 8, FilePositionInformation),
                  STATUS_ACCESS_VIOLATION);
    EXPECT_STATUS(ZwQueryDirectoryFile(folder, NULL, NULL, NULL, &io, nowhere, 512,
                                       FileBothDirectoryInformation, FALSE, NULL, FALSE),
                  STATUS_ACCESS_VIOLATION);
    EXPECT_STR(read_text(file, 10, NULL), "a");
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
    EXPECT_STATUS(ZwClose(folder), STATUS_SUCCESS);
}

/* ---- levels ----------------------------------------------------------------------------------------------- */

TEST(fs_is_for_passive_level, "")
{
    HANDLE file;

    disk_file("x", "");
    file = opened(L"\\??\\C:\\x", READ | DELETE, FILE_OPEN, SYNC | FILE_DELETE_ON_CLOSE);
    KeRaiseIrqlToDpcLevel();
    EXPECT_BUGCHECK(IRQL_NOT_LESS_OR_EQUAL, read_text(file, 1, NULL));
    EXPECT_BUGCHECK_PARAMETER(1, (ULONG_PTR)ZwReadFile);
    EXPECT_BUGCHECK_PARAMETER(2, DISPATCH_LEVEL);
    ke_lower_irql(PASSIVE_LEVEL);
    EXPECT_STATUS(ZwClose(file), STATUS_SUCCESS);
}
