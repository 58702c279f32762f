/*
 * memory.h
 *	  Allocation, byte buffers and first-in-first-out queues.
 *
 * Out of memory ends the process: whatever it held is under a lease and comes
 * back from the database.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern void *memory_new(size_t size);	/* zeroed */
extern void *memory_copy(const void *data, size_t size);
extern char *memory_text(const char *text);

/* bytes that are appended at one end and consumed at the other */
typedef struct Buffer
{
	uint8_t    *data;
	size_t		start;
	size_t		length;
	size_t		capacity;
} Buffer;

extern void buffer_append(Buffer *buffer, const void *data, size_t length);
extern uint8_t *buffer_reserve(Buffer *buffer, size_t length);
extern void buffer_consume(Buffer *buffer, size_t length);
extern void buffer_clear(Buffer *buffer);
extern void buffer_free(Buffer *buffer);

static inline uint8_t *
buffer_bytes(const Buffer *buffer)
{
	return buffer->data + buffer->start;
}

/* items of one size */
typedef struct Queue
{
	uint8_t    *items;
	size_t		item_size;
	size_t		head;
	size_t		count;
	size_t		capacity;
} Queue;

extern void queue_init(Queue *queue, size_t item_size);
extern void queue_push(Queue *queue, const void *item);
extern void queue_unshift(Queue *queue, const void *item);
extern void *queue_at(const Queue *queue, size_t index);
extern void queue_drop(Queue *queue, size_t count);
extern void queue_free(Queue *queue);

#endif							/* MEMORY_H */
